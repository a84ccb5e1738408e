import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadWallets } from '../../gateway/local/secrets.ts'
import { readPrivate, writePrivate } from '../../gateway/local/private-file.ts'

const Schema = z.object({ key: z.string() })

describe('a private file', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'souk-private-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('is readable by its owner only, and so is its folder', async () => {
    const path = join(folder, 'new/key.json')
    writePrivate(path, { key: 'x' })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(0o700)
    expect(readPrivate(path, Schema)).toEqual({ key: 'x' })
  })

  it('is not made anew when it holds the wallets of a folder that is in use', async () => {
    const state = join(folder, 'state')
    const made = await loadWallets(state)
    expect(await loadWallets(state)).toEqual(made)
    await mkdir(join(state, 'd1'))
    await writeFile(join(state, 'wallets.json'), '{')
    await expect(loadWallets(state)).rejects.toThrow(/wallets\.json is damaged: restore it/)
    await rm(join(state, 'wallets.json'))
    await expect(loadWallets(state)).rejects.toThrow(/wallets\.json is missing: restore it/)
  })

  it('is null when there is none', () => expect(readPrivate(join(folder, 'none.json'), Schema)).toBeNull())

  it('says damaged of what is damaged, without quoting it, and never of what cannot be read', async () => {
    const path = join(folder, 'damaged.json')
    await writeFile(path, '{"key":secret')
    expect(() => readPrivate(path, Schema)).toThrow(/damaged\.json is damaged: (?!.*secret)/)
    // A state folder that is a file: deleting "the damaged file" would mend nothing.
    expect(() => readPrivate(join(path, 'key.json'), Schema)).toThrow(/cannot be read \(ENOTDIR\)/)
  })
})
