import { refuseOldNode } from './runtime.ts'

refuseOldNode()
const { serve } = await import('./serve.ts')
await serve()
