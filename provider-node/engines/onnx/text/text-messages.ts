// What the text engine and its worker thread say to each other. Both ends are this program, so the types are the check. Everything that happened
// in one step of the batch is one message: a message for each token would cost more than the token.
import type { ServedManifest } from '../../../../protocol/model.ts'
import type { EngineRefusal, TextJob, TextStep } from '../../engine.ts'

export interface TextWorkerSetup {
  readonly folder: string
  readonly manifest: ServedManifest
  /** sequences computed together */
  readonly concurrencyMax: number
  /** threads of one graph run */
  readonly threads: number
  readonly provider: string
}

export type ToTextWorker =
  | { readonly type: 'start'; readonly id: number; readonly job: TextJob }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' }

export type FromTextWorker =
  /** `hasEveryByte`: it can say any text, so it can be held to JSON */
  | { readonly type: 'ready'; readonly provider: string; readonly rowsMax: number; readonly hasEveryByte: boolean }
  | { readonly type: 'unloadable'; readonly reason: string }
  | { readonly type: 'warn'; readonly event: string; readonly fields: Readonly<Record<string, string>> }
  /** `rows`: of the step that said so; null when it was none */
  | { readonly type: 'replies'; readonly replies: readonly TextReply[]; readonly rows: number | null }

export type TextReply =
  | { readonly type: 'started'; readonly id: number; readonly inputTokens: number; readonly waitedMs: number }
  | ({ readonly type: 'step'; readonly id: number } & TextStep)
  | { readonly type: 'cancelled'; readonly id: number; readonly outputTokens: number }
  | { readonly type: 'refused'; readonly id: number; readonly code: EngineRefusal['code']; readonly message: string }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string }
