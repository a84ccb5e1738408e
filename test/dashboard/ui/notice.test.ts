// What is told in the corner: the newest is seen however many stand there, what has to be read stays, and the same thing twice is one notice.
import { createNotificationsStore, hideNotification } from '@mantine/notifications'
import { describe, expect, it } from 'vitest'
import { tell, type Notice } from '../../../gateway/dashboard/ui/notice.ts'

function aCorner() {
  const store = createNotificationsStore()
  const all = () => [...store.getState().notifications, ...store.getState().queue]
  return {
    tell: (...notices: Notice[]) => notices.forEach((notice) => tell(notice, store)),
    shown: () => store.getState().notifications.map(({ message, title }) => (title ? `${title}: ${message}` : message)),
    all,
    close: (message: string) => hideNotification(all().find((notice) => notice.message === message)?.id ?? '', store),
  }
}
const wrong = (message: string, sameAs?: string): Notice => ({
  ...{ title: 'That did not work', message, color: 'red', isKept: true },
  ...(sameAs !== undefined && { sameAs }),
})

describe('the corner', () => {
  it('shows the newest on top, and of many the newest ones; the others come when these are closed', () => {
    const corner = aCorner()
    corner.tell(...['1', '2', '3', '4', '5', '6', '7'].map((name) => ({ message: name, isKept: true })))
    expect(corner.shown()).toEqual(['7', '6', '5', '4', '3'])
    corner.close('7')
    corner.close('4')
    expect(corner.shown()).toEqual(['6', '5', '3', '2', '1'])
  })

  it('lets nothing vanish that has to be read, and everything be closed by a button with a name', () => {
    const corner = aCorner()
    corner.tell(wrong('it broke'), { message: 'Saved.', color: 'teal' })
    expect(corner.all().map(({ message, autoClose }) => [message, autoClose])).toEqual([
      ['Saved.', undefined],
      ['it broke', false],
    ])
    for (const { closeButtonProps } of corner.all())
      expect(closeButtonProps).toMatchObject({ 'aria-label': 'Close this notice' })
  })

  it('counts what is told again, on top and in its place, whatever the request was called', () => {
    const corner = aCorner()
    corner.tell(wrong('Busy. (request a)', 'Busy.'), wrong('Gone.'))
    const [, first] = corner.all()
    corner.tell(wrong('Busy. (request b)', 'Busy.'))
    expect(corner.shown()).toEqual(['That did not work (2 times): Busy. (request b)', 'That did not work: Gone.'])
    expect(corner.all()[0]?.id).toBe(first?.id)
    corner.tell(wrong('Busy. (request c)', 'Busy.'))
    expect(corner.shown()[0]).toBe('That did not work (3 times): Busy. (request c)')
  })

  it('begins to count anew when the notice was closed', () => {
    const corner = aCorner()
    corner.tell(wrong('Busy.'), wrong('Busy.'))
    corner.close('Busy.')
    corner.tell(wrong('Busy.'))
    expect(corner.shown()).toEqual(['That did not work: Busy.'])
  })

  it('gives what goes by itself its whole time again, and says it once', () => {
    const corner = aCorner()
    corner.tell({ message: 'Saved.' })
    const [first] = corner.all()
    corner.tell({ message: 'Saved.' })
    expect(corner.shown()).toEqual(['Saved.'])
    expect(corner.all()[0]?.id).not.toBe(first?.id)
  })

  it('takes for the same only what reads the same', () => {
    const corner = aCorner()
    corner.tell(wrong('Busy.'), { message: 'Busy.' }, wrong('Busy. Come back.'))
    expect(corner.all()).toHaveLength(3)
  })
})
