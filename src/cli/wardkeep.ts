import { refuseOldNode } from '../runtime.ts'

refuseOldNode()
const { program } = await import('./program.ts')
await program(process.argv)
