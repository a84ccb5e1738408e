// The state folder: where a node keeps its keys, its configuration, its models and its receipts. Made readable by its owner only.
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sentenceFor } from './operator-error.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** @param flag `--home`; then SOUK_NODE_HOME, where it is not empty; then ./souk-node */
export const homeFolder = (flag: string | undefined, env: Environment): string =>
  resolve(flag ?? (env.SOUK_NODE_HOME || 'souk-node'))

export const configFile = (home: string): string => join(home, 'config.json')

/** Makes it when it is not there; one that is there keeps its mode. @throws OperatorError */
export async function makeHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw sentenceFor(`the state folder ${home} cannot be made`, cause)
  })
}
