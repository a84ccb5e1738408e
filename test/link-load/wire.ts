// The line between the node and the gateway, as a TCP proxy that can be cut, on either side or both, or left standing with nothing coming through it.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** `node`: its own socket ends and the gateway hears nothing; `gateway`: the reverse; `silent`: bytes stop and nobody is told */
export type Cut = 'both' | 'node' | 'gateway' | 'silent'

/** ms after which either end takes a dead line for closed; longer than a node needs to find out, far shorter than a kernel's quarter of an hour */
const GIVEN_UP_MS = 20_000

export interface Wire {
  /** http, where the node finds its gateway */
  readonly url: string
  /** Cuts what stands now; what comes later is whole. */
  cut(how: Cut): void
  close(): Promise<void>
}

export async function startWire(gatewayUrl: string): Promise<Wire> {
  const { hostname, port } = new URL(gatewayUrl)
  const pairs = new Set<{ readonly node: Socket; readonly gateway: Socket }>()
  const server = createServer((node) => {
    const gateway = connect(Number(port), hostname)
    const pair = { node, gateway }
    pairs.add(pair)
    for (const socket of [node, gateway]) {
      socket.setNoDelay(true)
      // A cut says so by its close.
      socket.on('error', () => undefined)
    }
    node.pipe(gateway).pipe(node)
    node.once('close', () => pairs.has(pair) && (gateway.destroy(), pairs.delete(pair)))
    gateway.once('close', () => pairs.has(pair) && (node.destroy(), pairs.delete(pair)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const lost = new Set<Socket>()

  /** It is read by nobody any more, and tells nobody until TCP would have given up: what was written into it is held for so long, not for ever. */
  function silence(socket: Socket): void {
    socket.unpipe()
    socket.pause()
    lost.add(socket)
    setTimeout(() => {
      lost.delete(socket)
      socket.destroy()
    }, GIVEN_UP_MS).unref()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    cut(how) {
      for (const pair of [...pairs]) {
        pairs.delete(pair)
        silence(pair.node)
        silence(pair.gateway)
        if (how === 'both' || how === 'node') pair.node.destroy()
        if (how === 'both' || how === 'gateway') pair.gateway.destroy()
      }
    },
    close() {
      for (const { node, gateway } of pairs) (node.destroy(), gateway.destroy())
      for (const socket of lost) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
