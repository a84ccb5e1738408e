// What is said of something when the pointer rests on it or the keyboard stands at it. What draws and places it is large: it is fetched when it is first
// wanted, and a table of a thousand amounts carries no more than their texts until then.
import { lazy, Suspense, useId, useRef, useState, type HTMLAttributes, type ReactNode, type RefObject } from 'react'

const Bubble = lazy(async () => ({ default: (await import('./hint-bubble.tsx')).HintBubble }))

type Hinted = Pick<
  HTMLAttributes<HTMLElement>,
  'onPointerEnter' | 'onPointerLeave' | 'onFocus' | 'onBlur' | 'aria-describedby'
>

/** @param children draws what is explained; it passes these on to its element */
export function Hint<Element extends HTMLElement>({
  label,
  children,
}: {
  label: string
  children: (props: Hinted & { readonly ref: RefObject<Element | null> }) => ReactNode
}) {
  const id = useId()
  const ref = useRef<Element>(null)
  /** null: never wanted yet */
  const [isShown, setIsShown] = useState<boolean | null>(null)
  const show = () => setIsShown(true)
  const hide = () => setIsShown((before) => (before === null ? null : false))
  return (
    <>
      {children({
        ref,
        onPointerEnter: show,
        onPointerLeave: hide,
        onFocus: show,
        onBlur: hide,
        'aria-describedby': isShown === true ? id : undefined,
      })}
      {isShown !== null && (
        <Suspense fallback={null}>
          <Bubble id={id} target={ref} isShown={isShown} label={label} />
        </Suspense>
      )}
    </>
  )
}
