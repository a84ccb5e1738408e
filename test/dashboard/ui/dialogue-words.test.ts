// A dialogue that was closed fades with the words it had, whatever the page behind it says by then.
import { describe, expect, it } from 'vitest'
import { whileLeaving } from '../../../gateway/dashboard/ui/dialogue-words.ts'

const aDialogue = (isOpen: boolean, title: string, onConfirm: () => string) => ({
  ...{ isOpen, title, onConfirm, children: `${title} It says why.`, reasonLabel: isOpen ? 'Reason' : undefined },
})

describe('a dialogue that leaves', () => {
  it('keeps its words, although the page has changed them', () => {
    const open = aDialogue(true, 'Freeze this account?', () => 'freeze')
    const shut = aDialogue(false, 'Unfreeze this account?', () => 'nothing')
    expect(whileLeaving(open, shut)).toMatchObject({
      ...{ isOpen: false, title: 'Freeze this account?', children: 'Freeze this account? It says why.' },
      reasonLabel: 'Reason',
    })
  })

  it('does nothing a second time: what its buttons do is what the page does now', () => {
    const open = aDialogue(true, 'Freeze this account?', () => 'freeze')
    const shut = aDialogue(false, 'Unfreeze this account?', () => 'nothing')
    expect(whileLeaving(open, shut).onConfirm()).toBe('nothing')
  })
})
