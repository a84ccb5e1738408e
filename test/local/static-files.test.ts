// The dashboard's files as they are given out on a machine of one's own: what is no file's name is not there, whatever it is made of.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Request } from 'miniflare'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { staticFiles } from '../../gateway/local/static-files.ts'

describe('the files of a folder', () => {
  let folder = ''
  const ask = (path: string) => staticFiles(join(folder, 'files'))(new Request(`http://souk.test${path}`))
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'souk-files-'))
    await mkdir(join(folder, 'files', 'assets'), { recursive: true })
    await writeFile(join(folder, 'files', 'assets', 'a b.js'), '1')
    await writeFile(join(folder, 'secret.json'), '{}')
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('are found by their encoded names', async () => {
    const reply = await ask('/assets/a%20b.js')
    expect([reply.status, await reply.text()]).toEqual([200, '1'])
  })

  it.each([
    ['that is not there', '/assets/b.js'],
    ['outside of the folder', '/..%2fsecret.json'],
    ['of a percent sign that encodes nothing', '/assets/%zz.js'],
    ['cut in the middle of a percent sign', '/assets/a.js%'],
    ['of bytes that are no UTF-8', '/assets/%ff.js'],
    ['with a zero byte', '/assets/a%00.js'],
    ['longer than any file system has', `/assets/${'a'.repeat(300)}.js`],
    ['below a file', '/assets/a%20b.js/c.js'],
    ['of a folder', '/assets'],
  ])('are not there for a name %s', async (_, path) => {
    expect((await ask(path)).status).toBe(404)
  })
})
