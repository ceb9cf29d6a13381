import { Command } from 'commander'
import { ID_PATTERN } from '../model/resource.ts'
import type { System } from '../system.ts'

export interface KeysCommandOptions {
  readonly open: () => Promise<System>
  readonly print: (line: string) => void
}

/** `wardkeep keys …`: rotate the key-encryption key; erase a patient. Both work beside a running server. */
export function keysCommand({ open, print }: KeysCommandOptions): Command {
  const command = new Command('keys').description('rotate keys, erase a patient')
  command.command('rotate').description('make a new key-encryption key and wrap the branch keys anew; no resource is rewritten')
    .action(async () => {
      const system = await open()
      try {
        const { branchKeys } = await system.rotateKeys()
        print(`rotated: ${branchKeys} branch keys wrapped anew, 0 resources rewritten`)
      } finally {
        await system.close()
      }
    })
  command.command('erase').argument('<patient>', 'Patient/ID').description("destroy a patient's key, records and index terms; there is no way back")
    .requiredOption('--yes', 'confirm')
    .action(async (reference: string) => {
      const id = reference.replace(/^Patient\//, '')
      if (!ID_PATTERN.test(id)) command.error('error: name the patient as Patient/ID')
      const system = await open()
      try {
        const result = await system.erase(id)
        if (result === null) command.error('error: no such patient')
        print(`erased: ${result!.erased} records and the patient's key; ${result!.kept} records that name other patients too remain; running servers follow within 2 s`)
      } finally {
        await system.close()
      }
    })
  return command
}
