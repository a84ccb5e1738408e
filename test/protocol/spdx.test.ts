import { describe, expect, it } from 'vitest'
import { licencesOf } from '../../protocol/spdx.ts'

describe('an SPDX expression', () => {
  it.each([
    ['MIT', ['MIT']],
    ['GPL-2.0+', ['GPL-2.0']],
    ['MIT AND PDDL-1.0', ['MIT', 'PDDL-1.0']],
    ['Apache-2.0 AND LicenseRef-WordNet-3.0', ['Apache-2.0', 'LicenseRef-WordNet-3.0']],
    ['GPL-2.0-only WITH Classpath-exception-2.0', ['GPL-2.0-only']],
    ['(MIT OR Apache-2.0) AND (BSD-3-Clause OR (MIT))', ['MIT', 'Apache-2.0', 'BSD-3-Clause']],
    ['DocumentRef-a:LicenseRef-b', ['DocumentRef-a:LicenseRef-b']],
  ])('%s names %j', (text, licences) => {
    expect(licencesOf(text)).toEqual(licences)
  })

  it.each([
    '',
    ' ',
    'AND',
    'MIT AND',
    'MIT Apache-2.0',
    'MIT and Apache-2.0',
    'MIT WITH',
    'MIT WITH AND',
    'OR MIT',
    '(MIT',
    'MIT)',
    '()',
    'MIT/Apache-2.0',
    'see LICENSE',
    'Apache License, Version 2.0',
    'MIT WITH a WITH b',
    'Ünlizenz',
  ])('is not %j', (text) => {
    expect(licencesOf(text)).toBeNull()
  })
})
