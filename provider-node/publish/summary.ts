// What an author reads after publishing: what was signed, what callers will pay of it, and what comes next.
import type { ModelManifest } from '../../protocol/model.ts'
import type { ModelView } from '../../protocol/publish.ts'

export function described(
  { id, files, sizes = {}, licence, royaltyBps, task, probes }: ModelManifest,
  digest: string,
): string[] {
  const bytes = Object.values(sizes).reduce((sum, size) => sum + size, 0)
  const count = Object.keys(files).length
  return [
    `model    ${id}  (${task})`,
    `digest   ${digest}`,
    `files    ${count === 1 ? '1 file' : `${count} files`}, ${sizeText(bytes)}`,
    `licence  ${licence}`,
    `royalty  ${royaltyText(royaltyBps)}`,
    `probes   ${probes.length}`,
  ]
}

const sizeText = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

/** @example royaltyText(250) // '2.5 % of what callers pay: of $1 it is $0.025, paid to your account' */
function royaltyText(bps: number): string {
  if (bps === 0) return 'none: callers pay the node and the house alone'
  return `${bps / 100} % of what callers pay: of $1 it is $${bps / 10_000}, paid to your account`
}

export function published(view: ModelView, gateway: string): string[] {
  const isNew =
    view.state === 'active' ? 'published' : `published; it is ${view.state}${view.reason ? `: ${view.reason}` : ''}`
  return [
    `state    ${isNew}, by ${view.publishedBy ?? 'this wallet'}`,
    '',
    'Next:',
    `  - nobody serves it yet: souk-node models add ${view.id} on a node of yours, or tell operators of it`,
    `  - callers find it at ${gateway}/v1/models/${view.id}`,
  ]
}
