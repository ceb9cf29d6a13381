import { SingleBar } from 'cli-progress'

/** Work with a progress bar on stderr, where that is a terminal. */
export async function withBar<Result>(what: string, work: (progress: (done: number, all: number) => void) => Promise<Result>): Promise<Result> {
  if (!process.stderr.isTTY) return work(() => undefined)
  const bar = new SingleBar({ stream: process.stderr, format: `${what} [{bar}] {percentage} %, {duration_formatted} ({eta_formatted} left)` })
  bar.start(1, 0)
  try {
    return await work((done, all) => {
      bar.setTotal(all)
      bar.update(done)
    })
  } finally {
    bar.stop()
  }
}
