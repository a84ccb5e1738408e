// Whether sources have the files: each way a source can be wrong is one sentence, and a source that is right is none.
import { describe, expect, it } from 'vitest'
import { ModelManifest } from '../../../protocol/model.ts'
import { checkSources } from '../../../provider-node/publish/check-sources.ts'
import { PUBLISH_LIMITS } from '../../../provider-node/publish/publish-limits.ts'
import { sha256, someBytes } from '../model-store/builders.ts'

const SMALL = someBytes(100)
const LARGE = PUBLISH_LIMITS.sourceBytes + 1
const SOURCE = 'https://files.example/models'

const manifest = (over: object = {}) =>
  ModelManifest.parse({
    ...{
      id: 'me/x',
      task: 'chat',
      description: '',
      licence: 'MIT',
      royaltyBps: 0,
      probes: [{ input: 'a', contains: 'a' }],
    },
    files: { 'a.onnx': sha256(SMALL) },
    sizes: { 'a.onnx': SMALL.byteLength },
    sources: [SOURCE],
    ...over,
  })
/** A source that answers everything so, and keeps what it was asked. */
function source(answer: () => Response) {
  const asked: { url: string; range: string | null }[] = []
  const fetchFile: typeof fetch = (input, init) => {
    const { url, headers } = new Request(input, init)
    asked.push({ url, range: headers.get('range') })
    return Promise.resolve(answer())
  }
  return { asked, fetchFile }
}
const large = manifest({ sizes: { 'a.onnx': LARGE } })

describe('sources', () => {
  it('that have every file are not spoken of; a small file is fetched and hashed', async () => {
    const { asked, fetchFile } = source(() => new Response(SMALL))
    expect(await checkSources(manifest({ sourcePaths: { 'a.onnx': 'v1/a b.onnx' } }), fetchFile)).toEqual([])
    expect(asked).toEqual([{ url: `${SOURCE}/v1/a%20b.onnx`, range: null }])
  })

  it('of a large file are asked for one byte, and say its size', async () => {
    const partial = () => new Response('x', { status: 206, headers: { 'content-range': `bytes 0-0/${LARGE}` } })
    const { asked, fetchFile } = source(partial)
    expect(await checkSources(large, fetchFile)).toEqual([])
    expect(asked[0]?.range).toBe('bytes=0-0')
    // Who knows no ranges sends all of it, and is not listened to.
    const whole = () => new Response('x', { headers: { 'content-length': String(LARGE) } })
    expect(await checkSources(large, source(whole).fetchFile)).toEqual([])
  })

  it.each<[string, ModelManifest, () => Response, string]>([
    ['another file', manifest(), () => new Response(someBytes(100)), 'is another file (its sha256 differs)'],
    ['a longer file', manifest(), () => new Response(someBytes(101)), 'is longer than the file, which has 100 bytes'],
    ['nothing', manifest(), () => new Response('', { status: 404 }), 'answers 404'],
    [
      'a way to http',
      manifest(),
      () => new Response(null, { status: 302, headers: { location: 'http://a.example' } }),
      'not https',
    ],
    [
      'no connection',
      manifest(),
      () => {
        throw new TypeError('fetch failed')
      },
      'cannot be reached',
    ],
    [
      'a large file of another size',
      large,
      () => new Response('x', { status: 206, headers: { 'content-range': 'bytes 0-0/7' } }),
      `has 7 bytes, and the file has ${LARGE}`,
    ],
  ])('that have %s are named', async (_, asked, answer, why) => {
    const [wrong, ...more] = await checkSources(asked, source(answer).fetchFile)
    expect(wrong).toContain(`${SOURCE}/a.onnx`)
    expect(wrong).toContain(why)
    expect(more).toEqual([])
  })
})
