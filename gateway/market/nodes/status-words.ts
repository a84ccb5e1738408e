// Words that sentences for operators share (rule).

/** @example percent(0.373) // 'about 37 %' */
export const percent = (share: number): string =>
  share > 0 && share < 0.01 ? 'less than 1 %' : `about ${Math.round(share * 100)} %`

export const withoutStop = (sentence: string): string => sentence.replace(/[.!?]$/, '')

/** What something was decided by, as far as it is plain. @example evidenceWords({ wrong: 7, asked: 12 }) // 'wrong 7, asked 12' */
export function evidenceWords(evidence: Readonly<Record<string, unknown>>): string {
  const plain = Object.entries(evidence).flatMap(([name, value]) =>
    typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' ? [`${name} ${value}`] : [],
  )
  return plain.slice(0, EVIDENCE_MAX).join(', ').slice(0, EVIDENCE_CHARACTERS)
}

/** parts and characters of it that are told; all of it stands in the API */
const EVIDENCE_MAX = 8
const EVIDENCE_CHARACTERS = 300
