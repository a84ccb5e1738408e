// Changes to config.json by the program: in place, so that the operator's comments, order and spacing stay, one program at a time, and never to
// something that could not be read again.
import { applyEdits, modify, type FormattingOptions } from 'jsonc-parser'
import type { z } from 'zod'
import type { OfferPrices } from '../protocol/node.ts'
import { parseStored, type ModelConfig, type NodeConfig } from './config.ts'
import { parseText, readConfigFile, writeConfigFile, type ConfigPath } from './config-file.ts'
import { lockFile } from './model-store/file-lock.ts'
import { OperatorError } from './operator-error.ts'
import { configFile } from './state-folder.ts'

export interface ConfigEdit {
  readonly path: ConfigPath
  /** undefined takes the field or the element away */
  readonly value: unknown
  /** a new element of a list, before the one at the path's end */
  readonly isNew?: boolean
}

/** ms to wait for another program that is changing the file: a change takes a few */
const LOCK_MS = 5_000

/** @param change what the file says without the environment, to what shall change in it @throws OperatorError; then nothing was changed */
export async function editConfig(home: string, change: (stored: NodeConfig) => readonly ConfigEdit[]): Promise<void> {
  const file = configFile(home)
  // Read first: where there is no node, there is nothing to lock.
  await readConfigFile(home)
  const lock = await lockFile(`${file}.lock`, AbortSignal.timeout(LOCK_MS)).catch((cause: unknown) => {
    if (cause instanceof Error && cause.name === 'TimeoutError')
      throw new OperatorError(`${file} is being changed by another program: try again`)
    throw cause
  })
  try {
    const stored = await readConfigFile(home)
    const edits = change(parseStored(stored, file))
    const text = edits.reduce(applied, stored.text)
    if (text === stored.text) return
    const changed = `what ${file} would become`
    parseStored(parseText(text, changed), changed)
    await writeConfigFile(home, text)
  } finally {
    await lock.release()
  }
}

/** Notes the id the gateway gave. */
export const saveNodeId = (home: string, nodeId: string): Promise<void> =>
  editConfig(home, (stored) => (stored.nodeId === nodeId ? [] : [{ path: ['nodeId'], value: nodeId }]))

/** @param folder of the model, as the file writes it @param prices those given; the others stay */
export const savePrices = (home: string, folder: string, prices: Partial<OfferPrices>): Promise<void> =>
  editConfig(home, ({ models }) => {
    const index = models.findIndex((entry) => entry.folder === folder)
    if (index === -1) throw new OperatorError(`there is no model ${folder} in ${configFile(home)}`)
    const given = Object.entries(prices).filter(([, usd]) => usd !== undefined)
    return given.map(([field, value]) => ({ path: ['models', index, 'prices', field], value }))
  })

/** Behind the others. */
export const addModel = (home: string, entry: z.input<typeof ModelConfig>): Promise<void> =>
  editConfig(home, ({ models }) => [{ path: ['models', models.length], value: entry, isNew: true }])

export const removeModel = (home: string, folder: string): Promise<void> =>
  editConfig(home, ({ models }) => {
    const index = models.findIndex((entry) => entry.folder === folder)
    return index === -1 ? [] : [{ path: ['models', index], value: undefined }]
  })

function applied(text: string, { path, value, isNew = false }: ConfigEdit): string {
  const formattingOptions: FormattingOptions = {
    insertSpaces: !/^\t/m.test(text),
    tabSize: 2,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  }
  return applyEdits(text, modify(text, [...path], value, { formattingOptions, isArrayInsertion: isNew }))
}
