import { Command } from 'commander'
import { ConfigError, loadConfig } from '../config.ts'
import { shardStore } from '../stores.ts'
import { openSystem, packagesOf, type System } from '../system.ts'
import { auditCommand } from './audit.ts'
import { keysCommand } from './keys.ts'
import { mongodbCommand } from './mongodb.ts'
import { packageCommand } from './package.ts'
import { reindexCommand } from './reindex.ts'
import { backupCommand, moveCommand, restoreCommand } from './store.ts'
import { type AskedGrant, tokenCommand } from './token.ts'
import { doubtsOf } from '../token-doubts.ts'

/** `npm run wardkeep -- COMMAND`: works on the local store and keys, beside a running server too. */
export async function program(argv: readonly string[]): Promise<void> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  const warn = (line: string): void => void process.stderr.write(`wardkeep: ${line}\n`)
  const open = async (): Promise<System> => {
    const system = await openSystem({ config: loadConfig(), slot: 'cli' })
    if (system.newKeys) warn('warning: there were no keys, so new ones were made. A server with other settings of DATA_DIR and KEY_URL does not know them; keep a copy of the folder of KEY_URL')
    return system
  }
  const root = new Command('wardkeep').description('Wardkeep, on the local store and keys')
    .addCommand(tokenCommand({ open: () => open().then(deskOf), now: Date.now, print, warn }))
    .addCommand(keysCommand({ open, print }))
    .addCommand(auditCommand(open, print))
    .addCommand(packageCommand({ packages: () => packagesOf(loadConfig()), print }))
    .addCommand(reindexCommand({ open, print }))
    .addCommand(backupCommand({ config: loadConfig, print }))
    .addCommand(restoreCommand({ config: loadConfig, print }))
    .addCommand(moveCommand({ config: loadConfig, print }))
    .addCommand(mongodbCommand(() => shardStore(loadConfig(), Date.now), print))
  try {
    await root.parseAsync([...argv])
  } catch (error) {
    if (!(error instanceof ConfigError || (error instanceof Error && error.name === 'Error'))) throw error
    warn(error.message.split('\n')[0]!)
    process.exitCode = 78
  }
}

const deskOf = (system: System) => ({ tokens: system.tokens, doubts: (grant: AskedGrant) => doubtsOf(system, grant), close: () => system.close() })
