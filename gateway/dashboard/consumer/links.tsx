// Links to one key and to one call, whose texts are as long as their ids.
import { Anchor } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

/** @param name what its owner called it; absent: its id */
export function KeyLink({ keyId, name }: { keyId: string; name?: string | undefined }) {
  return (
    <Anchor inherit renderRoot={(props) => <Link {...props} to="/keys/$keyId" params={{ keyId }} />}>
      <bdi>{name ?? keyId}</bdi>
    </Anchor>
  )
}

/** @param children what stands there, such as its time; it must say which call it is to who hears it alone */
export function CallLink({ callId, children }: { callId: string; children: ReactNode }) {
  return (
    <Anchor inherit renderRoot={(props) => <Link {...props} to="/calls/$callId" params={{ callId }} />}>
      {children}
    </Anchor>
  )
}
