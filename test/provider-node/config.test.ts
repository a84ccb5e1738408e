// config.json as an operator finds it, edits it, and as the program changes it beside them.
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, OVERRIDES, storedConfig, type NodeConfig } from '../../provider-node/config.ts'
import { addModel, editConfig, removeModel, saveNodeId, savePrices } from '../../provider-node/config-edit.ts'
import { parseText, renderConfig, saveConfig } from '../../provider-node/config-file.ts'
import { aConfig, aTemporaryFolder } from './builders.ts'

let home = ''
let removeHome = () => Promise.resolve()
beforeEach(async () => {
  const folder = await aTemporaryFolder()
  home = folder.path
  removeHome = folder.remove
})
afterEach(() => removeHome())

const file = () => join(home, 'config.json')
const text = () => readFile(file(), 'utf8')

const BY_HAND = `// mine
{
  "version": 1, "name": "a", /* the
  gateway */ "gateway": "https://souk.example",
  "nodeId": null, "endpoint": null, "host": "127.0.0.1", "port": null,
  "models": [
    // the small one
    { "folder": "tiny-chat", "prices": { "inputPerMillion": "0.05", "outputPerMillion": "0.20" } }, // cheap
    { "folder": "word-vectors", "prices": { "inputPerMillion": "0.01", "outputPerMillion": "0" } },
  ],
}
`

describe('a configuration written anew', () => {
  it('has a comment on every field, and reads as what was meant', async () => {
    const config = aConfig('https://souk.example')
    await saveConfig(home, config)
    expect(await loadConfig(home, {})).toEqual(config)
    const lines = (await text()).split('\n')
    const fields = lines.flatMap((line, index) => (/^ {2}"\w+":/.test(line) ? [[line, lines[index - 1]]] : []))
    expect(fields.map(([line]) => /"(\w+)"/.exec(line ?? '')?.[1]).sort()).toEqual(Object.keys(config).sort())
    for (const [, above] of fields) expect(above).toMatch(/^ {2}\/\/ /)
    expect(lines.every((line) => line.length <= 90)).toBe(true)
  })

  it('says what an entry of models may have: each field of it', () => {
    const said = renderConfig(aConfig('https://souk.example'))
    const fields = ['folder', 'prices', 'licence', 'engine', 'upstream', 'concurrencyMax', 'queueMax', 'threads']
    for (const field of [...fields, 'sessions', 'executionProvider']) expect(said).toContain(`//   ${field} `)
  })
})

describe('a configuration that is read', () => {
  it('may have comments, trailing commas and a byte order mark, and none of them', async () => {
    await writeFile(file(), `\uFEFF${BY_HAND}`)
    const commented = await loadConfig(home, {})
    await writeFile(file(), JSON.stringify(commented))
    expect(await loadConfig(home, {})).toEqual(commented)
  })

  it.each([
    ['"port": null', '"port": 70000', /config\.json is not valid at line 5: port: Too big/],
    ['"0.05"', '"-1"', /config\.json is not valid at line 8: models\.0\.prices\.inputPerMillion: decimal dollars/],
    ['"name": "a", ', '', /config\.json is not valid at line 2: name: /],
    ['"host"', '"hsot"', /at line 5: hsot: there is no such field, did you mean "host"$|at line 2: host: /],
    [
      '"folder": "tiny-chat"',
      '"folder": "tiny-chat", "thread": 1',
      /line 8: models\.0\.thread: there is no such field, did you mean "threads"$/,
    ],
    ['"port": null', '"port": null, "port": 1', /config\.json is not valid at line 5: port stands twice$/],
    ['"port": null', '"port" null', /config\.json is not valid JSON at line 5: colon expected$/],
    ['"name": "a"', '"name": "a', /config\.json is not valid JSON at line 3: unexpected end of string$/],
  ])('is refused with its line and field: %s as %s', async (right, wrong, sentence) => {
    await writeFile(file(), BY_HAND.replace(right, wrong))
    await expect(loadConfig(home, {})).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringMatching(sentence),
    })
  })

  it.each(['', '[]', '"x"'])('is refused when it is no object: %j', (raw) => {
    expect(() => parseText(raw, 'x')).toThrow(/^x is not valid JSON/)
  })

  it('has one variable for each scalar field', () => {
    const scalars = Object.entries(aConfig('https://a.example')).flatMap(([field, value]) =>
      field === 'version' || Array.isArray(value) ? [] : [field],
    )
    expect(Object.keys(OVERRIDES).sort()).toEqual(scalars.sort())
  })

  it.each<[Record<string, string>, Partial<NodeConfig>]>([
    [{ SOUK_NODE_NAME: 'b' }, { name: 'b' }],
    [
      { SOUK_NODE_PORT: '8080', SOUK_NODE_DRAIN_MS: '5' },
      { port: 8080, drainMs: 5 },
    ],
    [
      { SOUK_NODE_PORT: 'none', SOUK_NODE_ENDPOINT: 'none' },
      { port: null, endpoint: null },
    ],
    [{ SOUK_NODE_MEMORY_MAX_BYTES: '1000' }, { memoryMaxBytes: 1000 }],
    [{ SOUK_NODE_OWN_KEY: 'sixteen-characters' }, { ownKey: 'sixteen-characters' }],
    [{ SOUK_NODE_ID: 'node_0123456789abcdef' }, { nodeId: 'node_0123456789abcdef' }],
    [
      { SOUK_NODE_NAME: '', SOUK_NODE_PORT: '' },
      { name: 'a', port: null },
    ],
  ])('is overridden by the environment: %j', async (env, over) => {
    await writeFile(file(), BY_HAND)
    expect(await loadConfig(home, env)).toMatchObject(over)
    expect(await storedConfig(home)).toMatchObject({ name: 'a', port: null, endpoint: null })
  })

  it.each([
    [{ SOUK_NODE_PORT: '-1' }, /^SOUK_NODE_PORT is not valid: port: /],
    [{ SOUK_NODE_DRAIN_MS: '600001' }, /^SOUK_NODE_DRAIN_MS is not valid: drainMs: /],
    [{ SOUK_NODE_HOST: 'none', SOUK_NODE_GATEWAY: 'none' }, /^SOUK_NODE_GATEWAY is not valid: gateway: /],
  ])('names the variable that is wrong: %j', async (env, sentence) => {
    await writeFile(file(), BY_HAND)
    await expect(loadConfig(home, env)).rejects.toThrow(sentence)
  })
})

describe('a configuration that the program changes', () => {
  beforeEach(() => writeFile(file(), BY_HAND))

  it('keeps comments, order and everything else: each change is one place', async () => {
    await saveNodeId(home, 'node_0123456789abcdef')
    expect(await text()).toBe(BY_HAND.replace('"nodeId": null', '"nodeId": "node_0123456789abcdef"'))
    await writeFile(file(), BY_HAND)
    await savePrices(home, 'tiny-chat', { inputPerMillion: '0.06' })
    expect(await text()).toBe(BY_HAND.replace('"0.05"', '"0.06"'))
  })

  it('adds a model behind the others and takes it away again', async () => {
    const prices = { inputPerMillion: '0', outputPerMillion: '0', perCall: '0.001' }
    await addModel(home, { folder: 'language-id', prices })
    expect((await storedConfig(home)).models.map(({ folder }) => folder)).toEqual([
      'tiny-chat',
      'word-vectors',
      'language-id',
    ])
    expect(await text()).toContain('// the small one')
    await removeModel(home, 'language-id')
    await removeModel(home, 'word-vectors')
    expect((await storedConfig(home)).models.map(({ folder }) => folder)).toEqual(['tiny-chat'])
    for (const comment of ['// mine', '/* the', '// the small one']) expect(await text()).toContain(comment)
  })

  it('adds a price that was not there', async () => {
    await savePrices(home, 'word-vectors', { perCall: '0.5' })
    expect((await storedConfig(home)).models[1]?.prices).toEqual({
      inputPerMillion: '0.01',
      outputPerMillion: '0',
      perCall: '0.5',
    })
  })

  it('is left alone when it would not be valid any more, or is not now', async () => {
    await expect(savePrices(home, 'tiny-chat', { inputPerMillion: '-1' })).rejects.toThrow(
      /^what .*config\.json would become is not valid at line 8: models\.0/,
    )
    await removeModel(home, 'word-vectors')
    const before = await text()
    await expect(removeModel(home, 'tiny-chat')).rejects.toThrow(/models: /)
    expect(await text()).toBe(before)
    await writeFile(file(), '{ half')
    await expect(saveNodeId(home, 'x')).rejects.toThrow(/is not valid JSON at line 1/)
    expect(await text()).toBe('{ half')
  })

  it('loses no change of two programs at the same moment', async () => {
    const prices = { inputPerMillion: '0', outputPerMillion: '0' }
    const folders = ['a', 'b', 'c', 'd', 'e'].map((name) => `./${name}`)
    await Promise.all(folders.map((folder) => addModel(home, { folder, prices })))
    expect((await storedConfig(home)).models.map(({ folder }) => folder).sort()).toEqual(
      [...folders, 'tiny-chat', 'word-vectors'].sort(),
    )
  })

  it('keeps the environment out of the file', async () => {
    await editConfig(home, (stored) => {
      expect(stored.name).toBe('a')
      return [{ path: ['drainMs'], value: 7 }]
    })
    expect(await loadConfig(home, { SOUK_NODE_NAME: 'b' })).toMatchObject({ name: 'b', drainMs: 7 })
    expect(await text()).toContain('"name": "a"')
  })

  it('says in one sentence that it cannot be written', async () => {
    await chmod(home, 0o500)
    const change = saveNodeId(home, 'x').catch((cause: unknown) => cause)
    const isRoot = process.getuid?.() === 0
    if (isRoot) expect(await change).toBeUndefined()
    else expect(await change).toMatchObject({ name: 'OperatorError', message: expect.stringMatching(/EACCES/) })
    await chmod(home, 0o700)
  })
})
