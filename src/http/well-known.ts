/**
 * `/.well-known/smart-configuration` (SMART App Launch 2.2, conformance) of a server that verifies tokens and issues none over HTTP: it names the
 * scope forms that count here, and no endpoint that is not there.
 */
export const smartConfiguration = (): string => JSON.stringify({
  grant_types_supported: [],
  capabilities: ['permission-patient', 'permission-user', 'permission-v1', 'permission-v2']
})
