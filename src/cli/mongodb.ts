import { Command } from 'commander'

/** `wardkeep mongodb shard`: spreads the collections over the shards of a cluster. Again: changes nothing. */
export function mongodbCommand(shard: () => Promise<readonly string[]>, print: (line: string) => void): Command {
  const command = new Command('mongodb').description('the MongoDB of STORE_URL')
  command.command('shard').description('spread the collections over the shards of a cluster; stop all servers first').action(async () => {
    const changed = await shard()
    print(changed.length === 0 ? 'sharded already: nothing was changed' : `sharded: ${changed.join(', ')}`)
  })
  return command
}
