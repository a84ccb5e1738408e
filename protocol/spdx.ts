// Whether a text is an SPDX licence expression (SPDX 2.3, annex D): `MIT`, `GPL-2.0-only WITH Classpath-exception-2.0`, `(MIT OR Apache-2.0) AND
// LicenseRef-Mine`. Its grammar alone: which ids there are changes every few months, and a licence of one's own is a LicenseRef.

const ID = /^[A-Za-z0-9.-]+$/
const LICENCE = /^(DocumentRef-[A-Za-z0-9.-]+:LicenseRef-[A-Za-z0-9.-]+|[A-Za-z0-9.-]+\+?)$/
const OPERATORS = new Set(['AND', 'OR', 'WITH'])

/** The ids of its licences, each once, without `+`; null when it is no expression. @example licencesOf('MIT OR Apache-2.0') // ['MIT', 'Apache-2.0'] */
export function licencesOf(expression: string): string[] | null {
  const words = expression.match(/[()]|[^\s()]+/g) ?? []
  const found = new Set<string>()
  let at = 0
  const one = (): boolean => {
    const word = words[at++] ?? ''
    if (word === '(') return all() && words[at++] === ')'
    if (!LICENCE.test(word) || OPERATORS.has(word.toUpperCase())) return false
    found.add(word.replace(/\+$/, ''))
    if (words[at] !== 'WITH') return true
    at += 2
    const exception = words[at - 1] ?? ''
    return ID.test(exception) && !OPERATORS.has(exception.toUpperCase())
  }
  const all = (): boolean => {
    while (one()) {
      if (words[at] !== 'AND' && words[at] !== 'OR') return true
      at++
    }
    return false
  }
  return all() && at === words.length ? [...found] : null
}
