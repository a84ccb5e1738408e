// One linked node as a process of its own: the product's link client around a server that answers as pattern.ts says. Started with its options in SOUK_LOAD_NODE; prints a JSON
// line when its link comes and goes, and one for each line it reads: what it still holds. Its clock runs four times as fast: a load has no time to wait for a heartbeat.
import { createInterface } from 'node:readline'
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '../../provider-node/engines/sampling.ts'
import { loadIdentity } from '../../provider-node/identity.ts'
import { createLink, systemClock } from '../../provider-node/link/link-client.ts'
import type { LinkGauges } from '../../provider-node/link/link-metrics.ts'
import type { Serve } from '../../provider-node/link/stream.ts'
import { NodeOptions, type NodeLine } from './node-lines.ts'
import { answeringOf, keystream } from './pattern.ts'

const FASTER = 4

let open = 0
let asked = 0

const serve: Serve = async (request, caller) => {
  open += 1
  asked += 1
  caller.onGone(() => (open -= 1))
  const key = await keyOf(request)
  return new Response(answerOf(key), { headers: { 'content-type': 'application/octet-stream' } })
}

/** sha256 of the question; how fast it is read is drawn from its first part. */
async function keyOf(request: Request): Promise<Buffer> {
  const hash = createHash('sha256')
  let readMs: number | null = null
  for await (const part of request.body ?? []) {
    hash.update(part)
    readMs ??= answeringOf(hash.copy().digest()).readMs
    if (readMs > 0) await wait(readMs)
  }
  return hash.digest()
}

function answerOf(key: Buffer): ReadableStream<Uint8Array> {
  const { bytes, pieceBytesMax, pauseMs } = answeringOf(key)
  const next = keystream(key)
  const random = seededRandom(key.readUInt32BE(4))
  let left = bytes
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (left === 0) return controller.close()
        const size = Math.min(left, 1 + Math.floor(pieceBytesMax * random()))
        if (pauseMs > 0 && size % 8 === 0) await wait(pauseMs)
        left -= size
        controller.enqueue(next(size))
      },
    },
    { highWaterMark: 0 },
  )
}

async function main(options: NodeOptions): Promise<void> {
  const gauges: { link: LinkGauges | null } = { link: null }
  const clock = systemClock(Date.now)
  const link = createLink({
    gateway: options.gateway,
    identity: await loadIdentity(options.home),
    nodeId: () => Promise.resolve(options.nodeId),
    serve,
    metrics: { watch: (given) => (gauges.link = given), reconnected: () => undefined, bytes: () => undefined },
    log: (_level, event, fields) => print({ event, why: String(fields?.why ?? ''), isUp: event === 'link_up' }),
    clock: { ...clock, draw: () => 0, wait: (ms, signal) => clock.wait(ms / FASTER, signal) },
  })
  for await (const _line of createInterface({ input: process.stdin }))
    print({ open, asked, streams: gauges.link?.streams() ?? 0, isUp: link.isUp() })
  // Whoever started us is gone.
  await link.close(0)
  process.exit(0)
}

const print = (line: NodeLine) => process.stdout.write(`${JSON.stringify(line)}\n`)

await main(NodeOptions.parse(JSON.parse(process.env.SOUK_LOAD_NODE ?? '{}')))
