// What leaves the page: archives, the report, a push.

export interface PackageRequest {
  readonly what: "adapter" | "model" | "report" | "arguments";
}

export interface Package {
  readonly name: string;
  readonly blob: Blob;
}

export interface PushRequest {
  readonly repository: string;
  readonly token: string;
  readonly endpoint: string;
  readonly isPrivate: boolean;
}

export interface PushDone {
  readonly url: string;
  readonly commit: string;
}
