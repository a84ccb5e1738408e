// Files that come from strangers over bad lines: whatever a source does, the folder has the manifest's file or none.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ModelManifest } from '../../../protocol/model.ts'
import { downloadFiles, type DownloadNeeds } from '../../../provider-node/model-store/download.ts'
import { STORE_LIMITS } from '../../../provider-node/model-store/store-limits.ts'
import { aTemporaryFolder } from '../builders.ts'
import {
  aFileServer,
  aLog,
  aManifest,
  breaksAt,
  partly,
  serves,
  sha256,
  someBytes,
  type Behaviour,
  type FileServer,
} from './builders.ts'

const BYTES = someBytes(300_000)
const FILES = { 'model.onnx': BYTES }
const SOURCES = ['https://one.example/files', 'https://two.example']

let folder = ''
let removeFolder = () => Promise.resolve()
let one: FileServer
let two: FileServer
beforeEach(async () => {
  const made = await aTemporaryFolder()
  folder = join(made.path, 'small')
  removeFolder = made.remove
  await mkdir(folder)
  one = await aFileServer(serves(BYTES))
  two = await aFileServer(serves(BYTES))
})
afterEach(async () => {
  await Promise.all([one.close(), two.close()])
  await removeFolder()
})

/** The two sources' names stand for local servers; everything else about them is as it was asked for. */
const routed: typeof fetch = (input, init) => {
  const url = new URL(String(input))
  const server = url.host === 'one.example' ? one : two
  return fetch(`${server.url}${url.pathname}`, init)
}

const waits: number[] = []
function fetchModel(
  over: Partial<DownloadNeeds> = {},
  manifest: ModelManifest = aManifest(FILES, { sources: SOURCES }),
) {
  waits.length = 0
  const { log, lines, of } = aLog()
  const wait = (ms: number) => Promise.resolve(void waits.push(ms))
  const needs = { log, now: Date.now, signal: new AbortController().signal, fetch: routed, wait, ...over }
  return { done: downloadFiles(manifest, Object.keys(manifest.files), folder, needs), lines, of }
}

const there = () => readFile(join(folder, 'model.onnx'))
const names = async () => (await readdir(folder)).sort()

describe('a download', () => {
  it('fetches from the first source, leaves nothing beside the file, and says how it goes', async () => {
    const counted: number[] = []
    const { done, of } = fetchModel({ onBytes: (_, bytes) => counted.push(bytes) })
    await done
    expect(sha256(await there())).toBe(sha256(BYTES))
    expect(await names()).toEqual(['model.onnx'])
    expect(one.asked).toEqual([{ path: '/files/model.onnx', range: undefined, ifRange: undefined }])
    expect(two.asked).toEqual([])
    expect(of('model_downloaded')[0]?.fields).toMatchObject({
      model: 'somebody/small',
      file: 'model.onnx',
      bytes: 300_000,
    })
    expect(counted.reduce((sum, bytes) => sum + bytes, 0)).toBe(300_000)
  })

  it('asks for a file under its path at the source, where that is another than its name', async () => {
    const manifest = aManifest(FILES, { sources: SOURCES, sourcePaths: { 'model.onnx': 'sub folder/a#b.onnx' } })
    await fetchModel({}, manifest).done
    expect(one.asked[0]?.path).toBe('/files/sub%20folder/a%23b.onnx')
  })

  it('takes a mirror on this machine before the sources, and needs no size', async () => {
    const manifest = aManifest(FILES, { sources: SOURCES, sizes: undefined })
    await fetchModel({ mirror: `${two.url}/mirror/`, fetch }, manifest).done
    expect(two.asked[0]?.path).toBe('/mirror/somebody/small/model.onnx')
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it('goes on where a broken connection stopped, with the mark of what it has', async () => {
    one.behave(breaksAt(BYTES, 100_000))
    two.behave((_, response) => response.writeHead(503).end())
    const { done } = fetchModel({
      wait: () => Promise.resolve(one.behave(serves(BYTES))),
    })
    await done
    expect(sha256(await there())).toBe(sha256(BYTES))
    expect(one.asked.at(-1)).toMatchObject({ range: partly(100_000), ifRange: '"one"' })
  })

  it('goes on at another source, without the mark of the first', async () => {
    one.behave(breaksAt(BYTES, 100_000))
    await fetchModel().done
    expect(two.asked).toEqual([{ path: '/model.onnx', range: partly(100_000), ifRange: undefined }])
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it('goes on where an earlier run of the program stopped', async () => {
    await writeFile(join(folder, 'model.onnx.part'), BYTES.subarray(0, 1_000))
    await fetchModel().done
    expect(one.asked[0]?.range).toBe('bytes=1000-')
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it.each<[string, Behaviour]>([
    ['ignores the range', (_, response) => response.writeHead(200, { 'content-length': 300_000 }).end(BYTES)],
    ['has another version meanwhile', (...given) => serves(BYTES, '"other"')(...given)],
  ])('begins anew when the source %s', async (_, behaviour) => {
    await writeFile(join(folder, 'model.onnx.part'), Buffer.alloc(1_000, 1))
    await writeFile(
      join(folder, 'model.onnx.part.json'),
      JSON.stringify({ url: 'https://one.example/files/model.onnx', validator: '"one"' }),
    )
    one.behave(behaviour)
    await fetchModel().done
    expect(sha256(await there())).toBe(sha256(BYTES))
    expect(two.asked).toEqual([])
  })

  it('gives a source up that sends the same beginning again and again, however much of it', async () => {
    const bytes = someBytes(3_000_000)
    one.behave((request, response, asked) =>
      asked.range === undefined ? breaksAt(bytes, 2_000_000)(request, response, asked) : response.writeHead(416).end(),
    )
    const manifest = aManifest({ 'model.onnx': bytes }, { sources: ['https://one.example'] })
    await expect(fetchModel({}, manifest).done).rejects.toThrow('could not be downloaded')
    expect(one.asked.length).toBeLessThan(10)
  })

  it('throws a part away that does not become the file, and fetches the whole once more', async () => {
    await writeFile(join(folder, 'model.onnx.part'), Buffer.alloc(1_000, 1))
    const manifest = aManifest(FILES, { sources: ['https://one.example'] })
    await fetchModel({}, manifest).done
    expect(one.asked.map(({ range }) => range)).toEqual(['bytes=1000-', undefined])
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it.each<[string, Behaviour]>([
    [
      'another place',
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 0-299999/300000' }).end(BYTES),
    ],
    ['no place', (_, response) => response.writeHead(206).end(BYTES.subarray(1_000))],
  ])('does not write a part that says %s', async (_, behaviour) => {
    await writeFile(join(folder, 'model.onnx.part'), BYTES.subarray(0, 1_000))
    one.behave((request, response, asked) =>
      asked.range ? behaviour(request, response, asked) : serves(BYTES)(request, response, asked),
    )
    await fetchModel({}, aManifest(FILES, { sources: ['https://one.example'] })).done
    expect(one.asked.map(({ range }) => range)).toEqual(['bytes=1000-', undefined])
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it('keeps its part when the program is told to stop', async () => {
    const stop = new AbortController()
    one.behave((_, response) => {
      response.writeHead(200, { 'content-length': 300_000 })
      response.write(BYTES.subarray(0, 50_000))
    })
    const { done } = fetchModel({ signal: stop.signal, onBytes: () => setTimeout(() => stop.abort(), 20) })
    await expect(done).rejects.toThrow()
    expect(await names()).toEqual(['model.onnx.part'])
    expect(BYTES.subarray(0, 50_000).equals(await readFile(join(folder, 'model.onnx.part')))).toBe(true)
  })
})

describe('a source that lies', () => {
  const lies: [string, Behaviour, string][] = [
    ['has other bytes', serves(someBytes(300_000)), 'has another file than the manifest says (its sha256 differs)'],
    ['announces one byte more', serves(someBytes(300_001)), 'has 300001 bytes where the manifest says 300000'],
    ['announces one byte less', serves(BYTES.subarray(1)), 'has 299999 bytes where the manifest says 300000'],
    [
      'sends one byte more than it announced nothing of',
      (_, response) => response.writeHead(200).end(Buffer.concat([BYTES, BYTES.subarray(0, 1)])),
      'sends more than the 300000 bytes of the manifest',
    ],
    ['has nothing', (_, response) => response.writeHead(404).end(), 'answered 404'],
    ['wants to know who asks', (_, response) => response.writeHead(401).end(), 'answered 401'],
    ['redirects to http', redirect('http://two.example/x'), 'redirects to an address that is not https'],
    ['redirects to this machine', redirect('http://127.0.0.1:1/x'), 'redirects to an address that is not https'],
    ['redirects to no address', redirect('https://'), 'redirects to no address'],
    ['redirects in a circle', redirect('https://one.example/again'), 'redirects more than 5 times'],
  ]
  it.each(lies)('%s: the next one is asked', async (_, behaviour, why) => {
    one.behave(behaviour)
    const { done, of } = fetchModel()
    await done
    expect(sha256(await there())).toBe(sha256(BYTES))
    expect(await names()).toEqual(['model.onnx'])
    expect(of('model_source_failed').map(({ fields }) => [fields.source, fields.reason])).toEqual([
      ['one.example', why],
    ])
  })

  it.each(lies)('%s, and there is no other: one sentence, and no file', async (_, behaviour, why) => {
    one.behave(behaviour)
    const manifest = aManifest(FILES, { sources: ['https://one.example'] })
    await expect(fetchModel({}, manifest).done).rejects.toMatchObject({
      name: 'OperatorError',
      message: `model file small/model.onnx could not be downloaded: one.example ${why}`,
    })
    expect(await names()).toEqual([])
  })

  it('is followed to another https address', async () => {
    one.behave(redirect('https://two.example/elsewhere'))
    await fetchModel().done
    expect(two.asked).toMatchObject([{ path: '/elsewhere' }])
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it('that always breaks off is given up after five tries, each later than the one before', async () => {
    one.behave((_, response) => response.destroy())
    two.behave((_, response) => response.writeHead(500).end())
    const { done } = fetchModel()
    await expect(done).rejects.toThrow(
      /could not be downloaded: one\.example broke off \(\w+\); two\.example answered 500$/,
    )
    expect([one.asked.length, two.asked.length]).toEqual([STORE_LIMITS.failures, STORE_LIMITS.failures])
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000])
  })

  it('ends early without a word: what came is kept and the rest asked for', async () => {
    one.behave((_, response, { range }) =>
      range
        ? serves(BYTES)(_, response, { path: '', range, ifRange: undefined })
        : response.writeHead(200).end(BYTES.subarray(0, 99)),
    )
    await fetchModel({}, aManifest(FILES, { sources: ['https://one.example'] })).done
    expect(one.asked.map(({ range }) => range)).toEqual([undefined, 'bytes=99-'])
    expect(sha256(await there())).toBe(sha256(BYTES))
  })

  it('packs what it sends: the bytes inside count', async () => {
    const { gzipSync } = await import('node:zlib')
    one.behave((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(BYTES)))
    await fetchModel().done
    expect(sha256(await there())).toBe(sha256(BYTES))
  })
})

describe('the disk', () => {
  it.each([
    ['just enough', 300_000 + STORE_LIMITS.spareBytes, null],
    [
      'one byte too little',
      300_000 + STORE_LIMITS.spareBytes - 1,
      /there is no room in .*: 68 MB are needed and 68 MB are free$/,
    ],
  ])('with %s', async (_, free, sentence) => {
    const { done } = fetchModel({ freeBytes: () => Promise.resolve(free) })
    if (sentence === null) await done
    else {
      await expect(done).rejects.toThrow(sentence)
      expect(one.asked).toEqual([])
    }
  })

  it('needs no room for what is there already', async () => {
    await writeFile(join(folder, 'model.onnx.part'), BYTES.subarray(0, 100_000))
    await fetchModel({ freeBytes: () => Promise.resolve(200_000 + STORE_LIMITS.spareBytes) }).done
    expect(sha256(await there())).toBe(sha256(BYTES))
  })
})

describe('progress', () => {
  it('is at most one line a second of a file', async () => {
    let now = 0
    one.behave((_, response) => {
      response.writeHead(200, { 'content-length': 300_000 })
      let sent = 0
      const more = () => {
        if (sent === 300_000) return response.end()
        response.write(BYTES.subarray(sent, (sent += 30_000)), () => setTimeout(more, 2))
      }
      more()
    })
    const { done, of } = fetchModel({ now: () => (now += 10), onBytes: () => (now += 700) })
    await done
    const said = of('model_downloading').map(({ fields }) => fields)
    expect(said.length).toBeGreaterThan(1)
    expect(said.length).toBeLessThanOrEqual(Math.ceil(now / STORE_LIMITS.progressMs))
    for (const { percent, mbPerS } of said) expect([typeof percent, typeof mbPerS]).toEqual(['number', 'number'])
  })
})

it('two at once fetch it once, and both have it', async () => {
  const first = fetchModel()
  const second = fetchModel()
  await Promise.all([first.done, second.done])
  expect(one.asked).toHaveLength(1)
  expect(sha256(await there())).toBe(sha256(BYTES))
  expect(await names()).toEqual(['model.onnx'])
})

function redirect(location: string): Behaviour {
  return (_, response) => response.writeHead(302, { location }).end()
}
