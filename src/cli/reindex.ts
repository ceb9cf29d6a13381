import { Command } from 'commander'
import type { System } from '../system.ts'
import { withBar } from './bar.ts'

export interface ReindexCommandOptions {
  readonly open: () => Promise<System>
  readonly print: (line: string) => void
}

/** `wardkeep reindex`: index terms of every record, as the installed packages and R4 ask for them. Servers go on; may be run again at any time. */
export function reindexCommand({ open, print }: ReindexCommandOptions): Command {
  return new Command('reindex').description('give every record the index terms that R4 and the installed packages ask for; servers go on. Goes on after an interruption where it stopped')
    .action(async () => {
      const system = await open()
      try {
        const { records, parameters, resumed, unfit } = await withBar('reindexing', (progress) => system.reindex((share) => progress(share, 1)))
        if (unfit.length > 0) print(`more than the index takes in a record, so that packages' parameters are confirmed after opening as before: ${unfit.join(', ')}`)
        print(`reindexed: ${records} records${resumed ? ', going on where another run had stopped' : ''}; ${parameters} search parameters of packages have an index`)
      } finally {
        await system.close()
      }
    })
}
