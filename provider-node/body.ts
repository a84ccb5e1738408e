// Request bodies: read up to a limit, whatever `content-length` claims, and parsed once.
import { NodeRefusal } from './refusal.ts'

/** Answered with 413. */
export class BodyTooLarge extends NodeRefusal {
  constructor(bytesMax: number) {
    super('bad_request', `The body is larger than ${bytesMax} bytes.`)
  }
}

/** @throws BodyTooLarge; the rest is not read. NodeRefusal for a compressed body */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  // What is small on the way and large inside would have to be bounded twice; the gateway sends bodies as they are.
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw new NodeRefusal('bad_request', 'The body must not be compressed.')
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw new BodyTooLarge(bytesMax)
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const part of request.body ?? []) {
      length += part.byteLength
      if (length > bytesMax) throw new BodyTooLarge(bytesMax)
      parts.push(part)
    }
  } catch (cause) {
    // Whoever hung up or was too slow is at fault, not this node.
    throw cause instanceof NodeRefusal ? cause : new NodeRefusal('bad_request', 'The body did not arrive whole.')
  }
  return Buffer.concat(parts, length)
}

/** @throws NodeRefusal `bad_request` for anything that is not UTF-8 JSON */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new NodeRefusal('bad_request', 'The body is not valid JSON.')
  }
}
