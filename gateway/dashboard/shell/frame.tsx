// What every page stands in: header, side bar, and the page itself as the one main landmark.
import {
  ActionIcon,
  Anchor,
  AppShell,
  Burger,
  Group,
  NavLink,
  ScrollArea,
  Text,
  Title,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconMoon, IconSun } from '@tabler/icons-react'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { useEffect } from 'react'
import { AskSigner } from '../session/ask-signer.tsx'
import { FreshSignIn } from '../session/fresh-sign-in.tsx'
import { SessionEnded } from '../session/session-ended.tsx'
import { SessionGate } from '../session/session-gate.tsx'
import { useAccount } from '../session/session.ts'
import { WalletWatch } from '../session/wallet-watch.tsx'
import { AccountMenu } from './account-menu.tsx'
import { sectionsFor } from './nav.ts'
import { Notices } from './notices.tsx'
import classes from './frame.module.css'

export function Frame() {
  const [opened, { toggle, close }] = useDisclosure()
  const { pathname } = useLocation()
  useEffect(close, [pathname, close])
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 240, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a className={classes.skip} href="#content">
        Skip to the page
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={opened ? 'Close the menu' : 'Open the menu'}
              aria-expanded={opened}
            />
            <Anchor component={Link} to="/" underline="never" c="inherit">
              <Title order={2} size="h3">
                Souk
              </Title>
            </Anchor>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <SchemeToggle />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label="Sections">
        <Sections pathname={pathname} />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <WalletWatch />
        <SessionGate pathname={pathname}>
          <Outlet />
        </SessionGate>
      </AppShell.Main>
      <Notices />
      <FreshSignIn />
      <AskSigner />
      <SessionEnded />
    </AppShell>
  )
}

function Sections({ pathname }: { pathname: string }) {
  const shown = sectionsFor(useAccount()?.roles ?? [])
  return (
    <ScrollArea type="auto" p="sm">
      {shown.map(({ title, links }) => (
        <section key={title} aria-label={title}>
          <Text size="xs" c="dimmed" fw={600} mt="sm" px="xs">
            {title}
          </Text>
          {links.map(({ to, label }) => (
            <NavLink
              key={to}
              component={Link}
              to={to}
              activeOptions={{ exact: to === '/' || to === '/admin' }}
              label={label}
              active={isHere(pathname, to)}
              aria-current={isHere(pathname, to) ? 'page' : undefined}
            />
          ))}
        </section>
      ))}
    </ScrollArea>
  )
}

/** `/admin` and `/` are pages of their own and the beginning of others. */
const isHere = (pathname: string, to: string): boolean =>
  pathname === to || (to !== '/' && to !== '/admin' && pathname.startsWith(`${to}/`))

function SchemeToggle() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false })
  const other = scheme === 'dark' ? 'light' : 'dark'
  return (
    <ActionIcon
      variant="subtle"
      size="lg"
      onClick={() => setColorScheme(other)}
      aria-label={`Use the ${other} colours`}
    >
      {scheme === 'dark' ? <IconSun size={20} aria-hidden /> : <IconMoon size={20} aria-hidden />}
    </ActionIcon>
  )
}
