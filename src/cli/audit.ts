import { Command } from 'commander'

/** What `audit verify` needs of the system; `verify` answers what src/audit/verify.ts finds. */
export interface AuditSystem {
  verify(options: { readonly versions: boolean }): Promise<AuditFindings>
  close(): Promise<void>
}

export interface AuditFindings {
  readonly exitCode: number
  readonly entries: number
  readonly waiting: number
  readonly records: number
  readonly erased: number
  readonly problems: readonly { readonly kind: string; readonly text: string }[]
}

/** `wardkeep audit verify`: exit code 0 ok, 2 tampered, 3 incomplete. */
export function auditCommand(open: () => Promise<AuditSystem>, print: (line: string) => void = console.log): Command {
  const audit = new Command('audit').description('The ledger of every access')
  audit.command('verify')
    .description('Replay the ledger and compare it with the records. Exit code: 0 ok, 2 tampered, 3 incomplete')
    .option('--versions', 'compare superseded versions too', false)
    .action(async ({ versions }: { versions: boolean }) => {
      const system = await open()
      try {
        const found = await system.verify({ versions })
        for (const problem of found.problems) print(`${problem.kind}: ${problem.text}`)
        print(`${VERDICTS[found.exitCode] ?? 'unknown'}: ${found.entries} entries, ${found.waiting} waiting, ${found.records} records, ${found.erased} erased, ${found.problems.length} problems`)
        process.exitCode = found.exitCode
      } finally {
        await system.close()
      }
    })
  return audit
}

const VERDICTS: Readonly<Record<number, string>> = { 0: 'ok', 2: 'tampered', 3: 'incomplete' }
