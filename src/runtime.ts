/** Node's type stripping and node:sqlite as this project uses them; older versions stop with one line. */
export const NODE_MAJOR_MIN = 26

export function refuseOldNode(): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= NODE_MAJOR_MIN) return
  process.stderr.write(`Wardkeep needs Node ${NODE_MAJOR_MIN}; this is ${process.versions.node}. Start it by npm (npm start), which brings its own.\n`)
  process.exit(1)
}
