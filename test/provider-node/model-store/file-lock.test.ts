import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFile } from '../../../provider-node/model-store/file-lock.ts'
import { STORE_LIMITS } from '../../../provider-node/model-store/store-limits.ts'
import { aTemporaryFolder } from '../builders.ts'

let path = ''
let home = ''
let remove = () => Promise.resolve()
beforeEach(async () => {
  const made = await aTemporaryFolder()
  home = made.path
  path = join(home, 'model.onnx.lock')
  remove = made.remove
})
afterEach(() => remove())

const never = new AbortController().signal
const holder = (over: object = {}) => JSON.stringify({ token: 'x', pid: process.pid, host: hostname(), ...over })
const old = (ms: number) => utimes(path, new Date(Date.now() - ms), new Date(Date.now() - ms))

describe('a lock', () => {
  it('has one holder at a time, and is gone when it is released', async () => {
    const first = await lockFile(path, never)
    let told = 0
    let isSecond = false
    const second = lockFile(path, never, () => (told += 1)).then((lock) => {
      isSecond = true
      return lock
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([told, isSecond, await first.isOurs()]).toEqual([1, false, true])
    await first.release()
    await (await second).release()
    expect(await readdir(home)).toEqual([])
  })

  it.each([
    ['of a process that is gone', holder({ pid: 2 ** 22 + 1 }), 0],
    ['that nobody has touched for long', holder(), STORE_LIMITS.lockStaleMs + 1_000],
    [
      'of another machine that nobody has touched for long',
      holder({ host: 'x', pid: 1 }),
      STORE_LIMITS.lockStaleMs + 1_000,
    ],
  ])(
    '%s is taken over',
    async (_, content, age) => {
      await writeFile(path, content)
      await old(age)
      const lock = await lockFile(path, never)
      expect(await lock.isOurs()).toBe(true)
      await lock.release()
      expect(await readdir(home)).toEqual([])
    },
    5_000,
  )

  it.each([
    ['of a living process', holder(), STORE_LIMITS.lockStaleMs - 5_000],
    ['of another machine', holder({ host: 'x', pid: 2 ** 22 + 1 }), 0],
    ['that is just being written', '', 0],
  ])('%s is waited for', async (_, content, age) => {
    await writeFile(path, content)
    await old(age)
    const stop = new AbortController()
    const waiting = lockFile(path, stop.signal, () => stop.abort())
    await expect(waiting).rejects.toThrow()
    expect((await stat(path)).size).toBe(content.length)
  })

  it('says when another has taken it, and leaves that one its lock', async () => {
    const lock = await lockFile(path, never)
    await writeFile(path, holder())
    expect(await lock.isOurs()).toBe(false)
    await lock.release()
    expect(await readdir(home)).toEqual(['model.onnx.lock'])
  })

  it('of a program that was killed is free for the next', async () => {
    const module = fileURLToPath(new URL('../../../provider-node/model-store/file-lock.ts', import.meta.url))
    const script = `const { lockFile } = await import(${JSON.stringify(module)})
      await lockFile(${JSON.stringify(path)}, new AbortController().signal)
      console.log('held')
      setInterval(() => undefined, 1_000)`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await readdir(home)).toEqual(['model.onnx.lock'])
    const begun = Date.now()
    const lock = await lockFile(path, never)
    expect([await lock.isOurs(), Date.now() - begun < STORE_LIMITS.lockStaleMs / 2]).toEqual([true, true])
    await lock.release()
  })
})
