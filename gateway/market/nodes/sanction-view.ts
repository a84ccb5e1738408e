// A sanction as the API says it. Pure.
import { SanctionView } from '../../../protocol/operator.ts'
import type { SanctionRow } from './sanction-book.ts'

export const toSanctionView = ({ what, by, reason, evidence, at }: SanctionRow): SanctionView =>
  SanctionView.parse({ what, by, reason, evidence: JSON.parse(evidence), at: new Date(at).toISOString() })
