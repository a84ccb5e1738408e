// What an operator can mend is a sentence, also when it is the file system that refuses.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadConfig, makeHome } from '../../provider-node/config.ts'
import { saveConfig } from '../../provider-node/config-file.ts'
import { createIdentity, loadIdentity } from '../../provider-node/identity.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import { OperatorError } from '../../provider-node/operator-error.ts'
import { aConfig, aTemporaryFolder, shippedFolder } from './builders.ts'

let home: Awaited<ReturnType<typeof aTemporaryFolder>>
beforeAll(async () => {
  home = await aTemporaryFolder()
})
afterAll(() => home.remove())

it.each<[string, () => Promise<unknown>, RegExp]>([
  [
    'a state folder that is a file',
    async () => {
      await writeFile(join(home.path, 'file'), '')
      await createIdentity(join(home.path, 'file'))
    },
    /^OperatorError: the state folder .*file cannot be made \(EEXIST\)$/,
  ],
  ['a state folder inside a file', () => makeHome(join(home.path, 'file/inner')), /cannot be made \(ENOTDIR\)$/],
  [
    'keys that are a folder',
    async () => {
      await mkdir(join(home.path, 'keys/keys.json'), { recursive: true, mode: 0o700 })
      await loadIdentity(join(home.path, 'keys'))
    },
    /^OperatorError: .*keys\.json cannot be read \(EISDIR\)$/,
  ],
  [
    'keys that cannot be written',
    () => createIdentity(home.path, 'no-folder/keys.json'),
    /^OperatorError: .*keys\.json cannot be written \(ENOENT\)$/,
  ],
  [
    'a configuration that is a folder',
    async () => {
      await mkdir(join(home.path, 'odd/config.json'), { recursive: true })
      await loadConfig(join(home.path, 'odd'), {})
    },
    /config\.json cannot be read \(EISDIR\)$/,
  ],
  [
    'a configuration that cannot be written',
    () => saveConfig(join(home.path, 'odd'), aConfig('http://127.0.0.1:9')),
    /config\.json cannot be written \(E[A-Z]+\)$/,
  ],
  [
    'a model file that is a folder',
    async () => {
      const folder = join(home.path, 'model')
      await cp(shippedFolder('word-vectors'), folder, { recursive: true })
      await rm(join(folder, 'model.onnx'))
      await mkdir(join(folder, 'model.onnx'))
      await loadModel(folder)
    },
    /^OperatorError: model file model\/model\.onnx cannot be read \(EISDIR\)$/,
  ],
])('is one sentence for %s', async (_, fail, sentence) => {
  const failure: unknown = await fail().catch((cause: unknown) => cause)
  expect(failure).toBeInstanceOf(OperatorError)
  expect(String(failure)).toMatch(sentence)
})
