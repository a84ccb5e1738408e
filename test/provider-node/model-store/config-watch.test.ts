import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { watchConfig, type ConfigWatch } from '../../../provider-node/model-store/config-watch.ts'
import { STORE_LIMITS } from '../../../provider-node/model-store/store-limits.ts'
import { aTemporaryFolder, eventually } from '../builders.ts'
import { aLog } from './builders.ts'

let file = ''
let remove = () => Promise.resolve()
let watch: ConfigWatch | null = null
beforeEach(async () => {
  const made = await aTemporaryFolder()
  file = join(made.path, 'config.json')
  remove = made.remove
  await writeFile(file, 'first')
})
afterEach(async () => {
  watch?.stop()
  await remove()
})

it('tells of a file that was written, of one that took its place, and of what cannot be read; SIGHUP does not wait', async () => {
  const { readFile } = await import('node:fs/promises')
  const seen: string[] = []
  const { log, of } = aLog()
  const read = async () => {
    const text = await readFile(file, 'utf8')
    if (text === 'half') throw new Error('it is not valid JSON')
    return text
  }
  watch = watchConfig({ file, read, log, changed: (config) => void seen.push(config) })
  await new Promise((resolve) => setTimeout(resolve, 3 * STORE_LIMITS.configLookMs))
  expect(seen).toEqual([])
  await writeFile(file, 'second')
  await eventually(() => seen.includes('second'))
  await writeFile(`${file}.new`, 'third')
  await rename(`${file}.new`, file)
  await eventually(() => seen.includes('third'))
  await writeFile(file, 'half')
  await eventually(() => of('config_unreadable').length === 1)
  await writeFile(file, 'fourth')
  await watch.reload()
  expect(seen).toEqual(['second', 'third', 'fourth'])
})
