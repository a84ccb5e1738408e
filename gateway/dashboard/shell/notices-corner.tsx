// Draws what is told in passing (notices.tsx).
import { Notifications } from '@mantine/notifications'

export function NoticesCorner() {
  return <Notifications position="top-right" />
}
