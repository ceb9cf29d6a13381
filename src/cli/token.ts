import { Command, InvalidArgumentError } from 'commander'

/** What the token will confer (an OpaqueGrant of oauth/). Times in ms since 1970. */
export interface AskedGrant {
  readonly scope: string
  readonly patient: string | null
  readonly fhirUser: string | null
  readonly roles: readonly string[]
  readonly purposes: readonly string[]
  readonly client: string
  readonly subject: string
  readonly expires: number
}

/** The part of oauth/'s Tokens that the command needs. */
export interface TokenDesk {
  mint(grant: AskedGrant): Promise<string>
  revoke(token: string): Promise<boolean>
}

export interface TokenCommandOptions {
  /** Opens the local store and keys; `close` is called in any case. */
  readonly open: () => Promise<Desk>
  /** ms since 1970. */
  readonly now: () => number
  /** One line to stdout. */
  readonly print: (line: string) => void
  /** One line to stderr. */
  readonly warn: (line: string) => void
}

interface Desk {
  readonly tokens: TokenDesk
  /** What of a grant will count for nothing, a line each. */
  doubts(grant: AskedGrant): Promise<readonly string[]>
  close(): Promise<void>
}

const LIFETIME_SECONDS_DEFAULT = 3_600
const LIFETIME_SECONDS_MAX = 366 * 86_400

/** `wardkeep token …` mints an access token from the local keys and prints it, and nothing else, to stdout; `wardkeep token revoke TOKEN` ends one. */
export function tokenCommand(options: TokenCommandOptions): Command {
  const command = new Command('token').description('mint an access token from the local keys')
    .option('--scope <scopes>', 'SMART scopes, separated by spaces', scopesOf)
    .option('--patient <id>', 'patient in launch context: ID or Patient/ID', patientOf)
    .option('--fhir-user <reference>', 'who holds the token, such as Practitioner/12', userOf)
    .option('--roles <names>', 'roles, separated by spaces or commas', wordsOf, [])
    .option('--purpose <codes>', 'purposes of use (v3-ActReason), separated by spaces or commas', wordsOf, [])
    .option('--client <id>', 'client id', 'cli')
    .option('--subject <id>', 'subject; default is the fhirUser, else the client')
    .option('--expires-in <seconds>', 'lifetime in seconds', secondsOf, LIFETIME_SECONDS_DEFAULT)
    .allowExcessArguments(false)
    .action(async (asked: MintOptions) => {
      if (asked.scope === undefined) command.error("error: required option '--scope <scopes>' not specified")
      const grant = grantOf(asked, options.now())
      await using(options, async ({ tokens, doubts }) => {
        for (const doubt of await doubts(grant)) options.warn(`warning: ${doubt}`)
        options.print(await tokens.mint(grant))
      })
    })
  command.command('revoke').description('end a token: running servers refuse it within a second').argument('<token>')
    .action(async (token: string) => {
      const known = await using(options, ({ tokens }) => tokens.revoke(token))
      if (!known) command.error('error: no such token')
    })
  return command
}

interface MintOptions {
  readonly scope?: string
  readonly patient?: string
  readonly fhirUser?: string
  readonly roles: readonly string[]
  readonly purpose: readonly string[]
  readonly client: string
  readonly subject?: string
  readonly expiresIn: number
}

function grantOf(asked: MintOptions, now: number): AskedGrant {
  return {
    scope: asked.scope ?? '', patient: asked.patient ?? null, fhirUser: asked.fhirUser ?? null, roles: asked.roles, purposes: asked.purpose,
    client: asked.client, subject: asked.subject ?? asked.fhirUser ?? asked.client, expires: now + asked.expiresIn * 1000
  }
}

async function using<T>(options: TokenCommandOptions, work: (opened: Desk) => Promise<T>): Promise<T> {
  const opened = await options.open()
  try {
    return await work(opened)
  } finally {
    await opened.close()
  }
}

/** Loose on purpose: a typing error is found here, while what a scope confers is decided where it is used. */
const SCOPE = /^((patient|user|system)\/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(\?[^\s"\\]+)?|openid|fhirUser|profile|launch(\/(patient|encounter))?|offline_access|online_access)$/

function scopesOf(text: string): string {
  const scopes = text.split(/\s+/).filter((scope) => scope !== '')
  const bad = scopes.find((scope) => !SCOPE.test(scope) || /\.(\?|$)/.test(scope))
  if (scopes.length === 0 || bad !== undefined) throw new InvalidArgumentError('Each scope is like patient/Observation.rs or system/*.read.')
  return scopes.join(' ')
}

function patientOf(text: string): string {
  const match = /^(?:Patient\/)?([A-Za-z0-9\-.]{1,64})$/.exec(text)
  if (match?.[1] === undefined) throw new InvalidArgumentError('It is an id, or Patient/ID.')
  return match[1]
}

function userOf(text: string): string {
  if (!/^(Patient|Practitioner|PractitionerRole|RelatedPerson|Person|Device)\/[A-Za-z0-9\-.]{1,64}$/.test(text)) throw new InvalidArgumentError('It is like Practitioner/12.')
  return text
}

const wordsOf = (text: string, before: readonly string[]): readonly string[] => [...before, ...text.split(/[\s,]+/).filter((word) => word !== '')]

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (!/^\d{1,9}$/.test(text) || seconds < 1 || seconds > LIFETIME_SECONDS_MAX) throw new InvalidArgumentError(`It is a whole number of seconds from 1 to ${LIFETIME_SECONDS_MAX}.`)
  return seconds
}
