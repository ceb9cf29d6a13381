import { FAULTS, REFUSED_EXAMPLES } from './r4-examples-refused.ts'

/** The section of docs/CONFORMANCE.md on HL7's examples, without its heading; what is typed by hand stands above the first list. */
export function refusedSection(): string {
  const all = Object.values(REFUSED_EXAMPLES).flat()
  const lists = Object.entries(REFUSED_EXAMPLES).map(([issue, names]) =>
    `### ${FAULTS[issue]}\n\nAnswered: \`${issue}\` (${names.length})\n\n${names.map((name) => `- ${name.replace('.json', '')}`).join('\n')}`)
  return `${all.length} of the 738 are refused.\n\n${lists.join('\n\n')}\n`
}
