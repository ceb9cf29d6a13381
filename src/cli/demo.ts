import { refuseOldNode } from '../runtime.ts'

refuseOldNode()
const { demo } = await import('./demonstration.ts')
await demo((text) => void process.stdout.write(`${text}\n`))
