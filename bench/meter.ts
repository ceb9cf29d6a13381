/** Loaded into a measured server by `--import`: tells the bench, over IPC, what its process has used so far. */
import { isMainThread } from 'node:worker_threads'

/** CPU time of all threads in µs, resident bytes now. */
export interface Usage { readonly cpu: number; readonly rss: number }

if (isMainThread && process.send !== undefined) {
  process.on('message', (message) => {
    if (message !== 'usage') return
    const { user, system } = process.cpuUsage()
    process.send?.({ usage: { cpu: user + system, rss: process.memoryUsage.rss() } satisfies Usage })
  })
  // The server stops by signal; the channel alone must not keep it.
  process.channel?.unref()
}
