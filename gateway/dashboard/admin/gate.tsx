// Who may see the house's pages: admins. Anybody else is told so, and no page of the house is opened for them, so that none of them asks the gateway for
// anything. The gateway itself refuses all the same.
import { Group, Text } from '@mantine/core'
import { Outlet } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { accountQuery, hasRole } from '../session/session.ts'
import { Empty, Failed, Loading, Page } from '../ui/state.tsx'
import { LinkButton } from '../ui/links.tsx'

export function AdminGate() {
  const { data: account, isError, error, refetch } = useQuery(accountQuery)
  if (account === undefined) return isError ? <Failed error={error} again={() => void refetch()} /> : <Loading />
  if (hasRole(account, 'admin')) return <Outlet />
  return (
    <Page title="For the house only">
      <Empty title={account === null ? 'You are not signed in' : 'Your wallet is not one of the house'}>
        <Text c="dimmed">
          These pages are for who runs this market. Who that is stands in the configuration of the gateway.
        </Text>
        <Group>
          {account === null && <LinkButton to="/sign-in">Sign in</LinkButton>}
          <LinkButton to="/" variant="default">
            To the market
          </LinkButton>
        </Group>
      </Empty>
    </Page>
  )
}
