import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import type { packagesOf } from '../system.ts'

export interface PackageCommandOptions {
  readonly packages: () => ReturnType<typeof packagesOf>
  readonly print: (line: string) => void
}

const LATER = 'a running server takes this at its next start'
const INDEX = 'once all servers were started again, `wardkeep reindex` gives its search parameters an index; until then they are confirmed after opening'

/** `wardkeep package …`: FHIR packages (npm-style .tgz) with profiles, search parameters, value sets and code systems. */
export function packageCommand({ packages, print }: PackageCommandOptions): Command {
  const command = new Command('package').description('implementation guides: add, list, remove')
  command.command('add').argument('<file>', 'the package, a .tgz').description('check a package and keep it under DATA_DIR/packages')
    .action(async (file: string) => {
      const archive = await readFile(file).catch(() => command.error('error: the file cannot be read'))
      const { entry, content } = await packages().add(archive)
      const { profiles, valueSets, codeSystems, searchParameters, unsearchable, dependencies } = content
      print(`added: ${entry.name} ${entry.version}, sha256 ${entry.sha256}`)
      print(`${profiles.length} profiles and extensions, ${valueSets.length} value sets, ${codeSystems.length} code systems, ${searchParameters.length} search parameters`)
      const unusable = profiles.filter(({ snapshot }) => snapshot === undefined).map(({ url }) => url)
      if (unusable.length > 0) print(`without a snapshot, not checked: ${unusable.join(', ')}`)
      if (unsearchable.length > 0) print(`not searchable here: ${unsearchable.join(', ')}`)
      const others = dependencies.filter((name) => name !== 'hl7.fhir.r4.core')
      if (others.length > 0) print(`what it takes from other packages is checked where they are added too: ${others.join(', ')}`)
      print(LATER)
      if (searchParameters.length > 0) print(INDEX)
    })
  command.command('list').description('the packages, in the order they were added')
    .action(async () => {
      for (const { name, version, sha256 } of await packages().list()) print(`${name} ${version} ${sha256}`)
    })
  command.command('remove').argument('<name>', 'name of the package').description('forget a package; stored resources stay as they are')
    .action(async (name: string) => {
      if (!(await packages().remove(name))) command.error('error: there is no such package')
      print(`removed: ${name}; ${LATER}`)
    })
  return command
}
