import { Command, Option } from 'commander'
import { backupStore, restoreStore, type Restored } from '../backup.ts'
import type { Config } from '../config.ts'
import { abandonMove, moveStore } from '../moving.ts'
import { withBar } from './bar.ts'

export interface StoreCommandOptions {
  readonly config: () => Config
  readonly print: (line: string) => void
}

const PROBLEMS_SHOWN = 20

/** `wardkeep backup PATH`: of the embedded store, beside running servers too. */
export function backupCommand({ config, print }: StoreCommandOptions): Command {
  return new Command('backup').description('copy the embedded store to a new folder, as it is at one moment; servers go on. Keys are not in it')
    .argument('<path>', 'folder to be made')
    .addOption(new Option('--keys').hideHelp())
    .action(async (path: string, { keys }: { keys?: boolean }, command: Command) => {
      if (keys === true) command.error('error: a backup never holds keys: copy the folder of KEY_URL by itself, to another place')
      const { moment, files } = await backupStore(config(), path)
      print(`backup: ${files.length} files, ${files.reduce((sum, { bytes }) => sum + bytes, 0)} bytes, as of ${moment}`)
      print('Keys are not in it: without a copy of KEY_URL, kept at another place, it cannot be read')
    })
}

/** `wardkeep restore PATH`; exit code that of `audit verify`. */
export function restoreCommand({ config, print }: StoreCommandOptions): Command {
  return new Command('restore').description('put a backup where no store is, and verify it. Exit code: 0 ok, 2 tampered or older than the ledger, 3 incomplete')
    .argument('<path>', 'folder that backup made')
    .option('--keep-ledger', 'restore the records only, beside the ledger that is there: it tells what was written after the backup', false)
    .action(async (path: string, options: { keepLedger: boolean }) => {
      const restored = await restoreStore(config(), path, options)
      for (const line of restoredLines(restored, options.keepLedger)) print(line)
      process.exitCode = restored.verified.exitCode
    })
}

function restoredLines({ manifest, verified, olderThanKeys }: Restored, keepLedger: boolean): readonly string[] {
  const { problems, entries, records, exitCode } = verified
  const shown = problems.slice(0, PROBLEMS_SHOWN).map(({ kind, text }) => `${kind}: ${text}`)
  const more = problems.length > PROBLEMS_SHOWN ? [`and ${problems.length - PROBLEMS_SHOWN} more: wardkeep audit verify lists them`] : []
  return [
    `restored as of ${manifest.moment}: what was written after that moment is not in it`,
    ...(olderThanKeys ? ['The keys were rotated after this backup was made: it is older than the keys know'] : []),
    ...shown, ...more,
    ...(exitCode === 0 ? [] : [keepLedger ? 'The ledger knows of more than was restored: each record above is older than it, or missing' : 'The backup does not verify']),
    `${exitCode === 0 ? 'ok' : 'not ok'}: ${entries} entries, ${records} records, ${problems.length} problems`
  ]
}

/** `wardkeep move --from URL --to URL`, and `--from URL --abandon`. */
export function moveCommand({ config, print }: StoreCommandOptions): Command {
  return new Command('move').description('copy a store into the other kind of store, sqlite: or mongodb:, with its ledger. All servers must be stopped; may be run again after an interruption')
    .requiredOption('--from <url>', 'store that is copied; it is not changed, and is out of use afterwards')
    .option('--to <url>', 'empty store')
    .option('--abandon', 'give up: the store of --from may be used again, its copy must not be', false)
    .action(async ({ from, to, abandon }: { from: string; to?: string; abandon: boolean }, command: Command) => {
      if (abandon) return print(await abandonMove(config(), from) ? 'abandoned: the store may be used again; drop its copy' : 'no move of this store was begun')
      if (to === undefined) return command.error("error: required option '--to <url>' not specified")
      const { rows, verified } = await withBar('moving', (progress) => moveStore({ config: config(), from, to, progress }))
      for (const { kind, text } of verified.problems.slice(0, PROBLEMS_SHOWN)) print(`${kind}: ${text}`)
      print(`moved: ${rows} records, versions and ledger entries, equal in both stores; the ledger verifies with ${verified.problems.length} problems`)
      print('Set STORE_URL to the new store; the old one refuses to be served')
      process.exitCode = verified.exitCode
    })
}
