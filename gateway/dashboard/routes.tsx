// Every address of the app. The views that can be shared carry what they show in their search parameters.
import { createRouter } from '@tanstack/react-router'
import { adminRoutes } from './admin/routes.ts'
import { authorRoutes } from './author/routes.ts'
import { consumerRoutes } from './consumer/routes.ts'
import { operatorRoutes } from './operator/routes.ts'
import { playgroundRoutes } from './playground/routes.ts'
import { publicRoutes } from './public/routes.ts'
import { PageBroke, root } from './root-route.tsx'
import { arrive } from './shell/arrival.ts'

export const router = createRouter({
  routeTree: root.addChildren([
    ...publicRoutes,
    ...consumerRoutes,
    ...playgroundRoutes,
    ...operatorRoutes,
    ...authorRoutes,
    ...adminRoutes,
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
  // A page that breaks leaves the frame standing.
  defaultErrorComponent: PageBroke,
})

router.subscribe('onRendered', ({ pathChanged, fromLocation }) => {
  if (pathChanged && fromLocation !== undefined) arrive()
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
