// What the side bar lists for whom: a way in for who has no node yet, and nobody else's sections.
import { describe, expect, it } from 'vitest'
import { sectionsFor } from '../../../gateway/dashboard/shell/nav.ts'
import type { Role } from '../../../protocol/auth.ts'

const titles = (roles: readonly Role[]) => sectionsFor(roles).map(({ title }) => title)
const operatorLinks = (roles: readonly Role[]) =>
  sectionsFor(roles).flatMap(({ title, links }) => (title === 'Operator' ? links.map(({ to }) => to) : []))

describe('the side bar', () => {
  it.each([
    ['nobody', [], ['Market', 'Operator']],
    ['a consumer', ['consumer'], ['Market', 'Your account', 'Operator']],
    ['an operator', ['consumer', 'operator'], ['Market', 'Your account', 'Operator']],
    ['an author', ['consumer', 'author'], ['Market', 'Your account', 'Operator', 'Author']],
    ['an admin', ['consumer', 'admin'], ['Market', 'Your account', 'Operator', 'House']],
  ] as const)('has for %s the sections of theirs, each once', (_, roles, sections) => {
    expect(titles(roles)).toEqual(sections)
  })

  it('leads who has no node to where one is brought in, and who has one to all about it', () => {
    expect(operatorLinks([])).toEqual(['/nodes'])
    expect(operatorLinks(['consumer', 'admin'])).toEqual(['/nodes'])
    expect(operatorLinks(['consumer', 'operator'])).toEqual(['/nodes', '/earnings', '/serving'])
  })
})
