// How far the book is behind the guards, and what is on its way between them: of one account, or of all.
import type { LedgerStand } from '../../../protocol/verification.ts'
import type { Figure } from '../ui/figures.tsx'
import { Money } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { When } from '../ui/when.tsx'

type Stand = Pick<LedgerStand, 'linesNotProjected' | 'oldestNotProjectedAt' | 'creditsUnderWay' | 'oldestUnderWayAt'>

export const projectionFigures = (stand: Stand): Figure[] => [
  {
    name: 'Not in the book yet',
    value: quantity(stand.linesNotProjected, 'lines'),
    note: since(stand.oldestNotProjectedAt),
  },
  {
    name: 'On its way to payees',
    value: <Money amount={stand.creditsUnderWay} />,
    note: since(stand.oldestUnderWayAt),
  },
]

const since = (at: string | null) =>
  at === null ? undefined : (
    <>
      since <When at={at} />
    </>
  )
