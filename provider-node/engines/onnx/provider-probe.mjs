// A process that tries execution providers on one graph and is allowed to die of it: opens a session, runs it a few times on made-up inputs, tells
// the ms of one run. Plain JavaScript, so that it starts without a loader. A graph that cannot be run on made-up inputs is open but unmeasured.
import { env, InferenceSession, Tensor } from 'onnxruntime-node'

env.logLevel = 'fatal'
/** Runs and ms of one measurement: short beside the loading of a model. */
const RUNS = 7
const RUNS_MS = 1_000

process.on('disconnect', () => process.exit())
process.once('message', async ({ file, candidates }) => {
  for (const { provider, options } of candidates) await tell(await tried(file, provider, options))
})

/** Resolves when it is sent: the next candidate may be the end of this process. */
const tell = (result) => new Promise((resolve) => process.send(result, resolve))

async function tried(file, provider, options) {
  try {
    const session = await InferenceSession.create(file, options)
    const ms = await measure(session).catch(() => null)
    await session.release()
    return { provider, ms }
  } catch (cause) {
    return { provider, cause: cause instanceof Error ? cause.message : 'unknown' }
  }
}

async function measure(session) {
  const feeds = {}
  for (const input of session.inputMetadata) feeds[input.name] = madeUp(input)
  await session.run(feeds)
  const times = []
  const startedAt = performance.now()
  while (times.length < RUNS && performance.now() - startedAt < RUNS_MS) {
    const runAt = performance.now()
    await session.run(feeds)
    times.push(performance.now() - runAt)
  }
  // The least is what the graph takes when nobody else wants the machine.
  return Math.min(...times)
}

/** Eight of everything that varies, and no past: what a cache holds is empty at the start of a text. */
const sizeOf = (dimension) => (typeof dimension === 'number' ? dimension : /^past/.test(dimension) ? 0 : 8)

function madeUp({ name, isTensor, type, shape }) {
  if (!isTensor) throw new Error('no tensor')
  const dims = shape.map(sizeOf)
  const length = dims.reduce((product, size) => product * size, 1)
  // Zeros are valid indices into any table; a mask of zeros would skip the work.
  const number = /mask/.test(name) ? 1 : 0
  if (type === 'string') return new Tensor(type, Array(length).fill(''), dims)
  if (type === 'int64' || type === 'uint64') return new Tensor(type, Array(length).fill(BigInt(number)), dims)
  if (type === 'bool') return new Tensor(type, new Uint8Array(length).fill(1), dims)
  if (type === 'float16') return new Tensor(type, new Uint16Array(length).fill(0x3800), dims)
  return new Tensor(type, Array(length).fill(type.startsWith('float') ? 0.5 : number), dims)
}
