// The way in: a wallet signs. Whoever came from a page that needs it goes back there.
import { Card } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { SignInPanel } from '../session/sign-in-panel.tsx'
import { Page } from '../ui/state.tsx'

export function SignInPage() {
  const navigate = useNavigate()
  return (
    <Page title="Sign in" intro="Your wallet is your account: no password, no e-mail.">
      <Card withBorder maw={480}>
        <SignInPanel onSignedIn={() => void navigate({ to: '/overview' })} />
      </Card>
    </Page>
  )
}
