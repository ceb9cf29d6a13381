/** Waits until all are over, also where one is refused; then rejects with the first refusal, if any. */
export async function allSettled(works: readonly (Promise<void> | undefined)[]): Promise<void> {
  const settled = await Promise.allSettled(works)
  const refused = settled.find((one) => one.status === 'rejected')
  if (refused !== undefined) throw refused.reason
}
