// What the checks look at: this machine, the state folder, and what could be read of it. Everything that a test may want otherwise is an argument.
import type { NodeConfig } from '../config.ts'
import type { Identity } from '../identity.ts'
import type { Finding } from './finding.ts'

export interface Surroundings {
  /** the state folder, absolute */
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** ms since the Unix epoch */
  readonly now: () => number
  readonly platform: NodeJS.Platform
  /** @example 'v20.18.0' */
  readonly nodeVersion: string
  /** bytes of this machine's memory */
  readonly memoryBytes: number
  /** bytes that may still be written below a folder */
  readonly freeBytes: (folder: string) => Promise<number>
  /** files of models are hashed, however long that takes */
  readonly isDeep: boolean
  readonly fetch: typeof fetch
}

export interface Facts extends Surroundings {
  /** null: it cannot be read, which its own check says */
  readonly config: NodeConfig | null
  readonly identity: Identity | null
}

/** @param signal its time is up, or nobody waits any more */
export type Check = (facts: Facts, signal: AbortSignal) => Promise<readonly Finding[]>
