// What the Worker's own objects take, right after a collection: what is resident says as much of allocators as of leaks. Asked of workerd's inspector
// (Chrome DevTools Protocol: HeapProfiler.collectGarbage, Runtime.getHeapUsage).
import { WebSocket } from 'ws'
import { z } from 'zod'

const Targets = z.array(z.object({ id: z.string(), webSocketDebuggerUrl: z.string() }))
const Usage = z.object({ usedSize: z.number(), backingStorageSize: z.number().default(0) })
const Reply = z.object({ id: z.number(), result: z.unknown().optional(), error: z.unknown().optional() })

/** ms one answer of the inspector may take: a collection stops the isolate, and a busy machine takes its time */
const ANSWER_MS = 180_000

export interface Heap {
  /** KiB of objects and of the buffers they hold, of all that is still referred to */
  collected(): Promise<number>
  close(): void
}

/** @param inspector address of workerd's inspector */
export async function openHeap(inspector: URL): Promise<Heap> {
  const list = await fetch(new URL('/json/list', inspector.href.replace(/^ws/, 'http')), {
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  // Miniflare's own helpers have isolates too.
  const target = Targets.parse(await list.json()).find(({ id }) => id.startsWith('core:user:'))
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let last = 0
  const ask = (method: string) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++last
      const late = setTimeout(() => reject(new Error(`${method}: no answer`)), ANSWER_MS)
      const hear = (data: Buffer) => {
        const reply = Reply.safeParse(JSON.parse(data.toString('utf8'))).data
        if (reply?.id !== id) return
        clearTimeout(late)
        socket.off('message', hear)
        if (reply.error === undefined) resolve(reply.result)
        else reject(new Error(`${method}: ${JSON.stringify(reply.error)}`))
      }
      socket.on('message', hear)
      socket.send(JSON.stringify({ id, method }))
    })
  await ask('HeapProfiler.enable')
  return {
    async collected() {
      // What ends in one turn is let go of in the next: twice.
      await ask('HeapProfiler.collectGarbage')
      await ask('HeapProfiler.collectGarbage')
      const { usedSize, backingStorageSize } = Usage.parse(await ask('Runtime.getHeapUsage'))
      return Math.round((usedSize + backingStorageSize) / 1024)
    },
    close: () => socket.close(),
  }
}
