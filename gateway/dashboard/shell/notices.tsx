// What is told in passing, in the corner. Nothing is told before the first page stands, so what draws it is fetched after that; what is told earlier waits.
import { lazy, Suspense } from 'react'
import { pageStands } from '../ui/stands.ts'

const Corner = lazy(async () => {
  await pageStands()
  return { default: (await import('./notices-corner.tsx')).NoticesCorner }
})

export function Notices() {
  return (
    <Suspense fallback={null}>
      <Corner />
    </Suspense>
  )
}
