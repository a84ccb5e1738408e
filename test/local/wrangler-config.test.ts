import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONFIG_PATH } from '../../gateway/local/root.ts'
import { readConfig } from '../../gateway/local/wrangler-config.ts'

describe('readConfig', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'souk-config-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it.each([
    ['name = "x\nmain = 1', /^.*wrangler\.toml is not valid \(line \d\): Invalid TOML document: .*\.$/],
    ['name = "x"\nmain = 5', /^.*wrangler\.toml is not valid: Expected "main" to be of type string but got 5\.$/],
    ['name = "x"', /^.*wrangler\.toml is not valid: "main" is missing\.$/],
  ])('says in one sentence what is wrong with %j', async (toml, sentence) => {
    const path = join(folder, 'wrangler.toml')
    await writeFile(path, toml)
    expect(() => readConfig(path)).toThrow(sentence)
  })

  it('says that there is none', () => {
    expect(() => readConfig(join(folder, 'absent.toml'))).toThrow(/absent\.toml is not valid: Could not read file/)
  })

  it('reads the one of this repository, in which the local switch does not stand', () => {
    const { vars, d1_databases } = readConfig(CONFIG_PATH)
    expect(Object.keys(vars)).not.toContain('SOUK_LOCAL')
    expect(d1_databases.map(({ binding }) => binding)).toEqual(['DB', 'BOOK_0'])
  })
})
